//! The host that runs the switch: a process of our own, on the switch's configuration with fresh data
//! and a free port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use zamu_bench::node::free_address;

pub use zamu_bench::node::{Node, Usage, folder_bytes};

const HANDLERS: [&str; 4] = ["participants", "accounts", "transfers", "directory"];

/// The configuration that runs the switch.
const CONFIGURATION: &str = include_str!("../zamu.toml");

/// Writes the switch's configuration into the folder and starts the host on it, with these variables
/// in its environment.
///
/// # Errors
/// When a file is missing or the host does not start.
pub fn start(
    zamu: &Path,
    guests: &Path,
    folder: &Path,
    variables: Vec<(&'static str, String)>,
) -> Result<Node> {
    let address = free_address()?;
    let configuration = configuration(guests, folder, address)?;
    Node::start(zamu, folder, &configuration, address, variables)
}

/// The switch's own configuration, with the data in this folder and the guests in that one.
fn configuration(guests: &Path, folder: &Path, address: SocketAddr) -> Result<String> {
    let mut table: toml::Table = CONFIGURATION.parse().context("examples/switch/zamu.toml")?;
    let text = |path: PathBuf| -> Result<toml::Value> {
        let path = path.into_os_string().into_string();
        path.map(toml::Value::String).map_err(|path| anyhow::anyhow!("not UTF-8: {path:?}"))
    };
    table.insert("data".into(), text(folder.join("data"))?);
    let mut set = |section: &[&str], key: &str, value: toml::Value| -> Result<()> {
        let mut at = &mut table;
        for name in section {
            at = at
                .get_mut(*name)
                .and_then(toml::Value::as_table_mut)
                .with_context(|| format!("examples/switch/zamu.toml has no {section:?}"))?;
        }
        at.insert(key.into(), value);
        Ok(())
    };
    set(&["http"], "listen", address.to_string().into())?;
    for handler in HANDLERS {
        let component = guests.join(format!("{handler}.wasm"));
        let component = component.canonicalize().with_context(|| {
            format!("no component {}: build it with `cargo xtask guests`", component.display())
        })?;
        set(&["handlers", handler], "component", text(component)?)?;
    }
    toml::to_string(&table).context("cannot write the configuration")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn the_configuration_of_the_switch_is_moved_to_a_folder_and_a_port_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        for handler in HANDLERS {
            fs::write(folder.path().join(format!("{handler}.wasm")), "").unwrap();
        }
        let address = "127.0.0.1:1234".parse().unwrap();
        let text = configuration(folder.path(), folder.path(), address).unwrap();
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["http"]["listen"].as_str(), Some("127.0.0.1:1234"));
        assert_eq!(table["data"].as_str(), folder.path().join("data").to_str());
        for handler in HANDLERS {
            let component = table["handlers"][handler]["component"].as_str().unwrap();
            assert!(Path::new(component).is_absolute() && Path::new(component).is_file());
        }
        let original: toml::Table = CONFIGURATION.parse().unwrap();
        assert_eq!(table["types"], original["types"]);
    }

    #[test]
    fn a_missing_component_is_named_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let address = "127.0.0.1:1234".parse().unwrap();
        let error = configuration(folder.path(), folder.path(), address).unwrap_err().to_string();
        assert!(error.contains("participants.wasm") && error.contains("cargo xtask guests"));
    }

    #[test]
    fn the_load_of_the_bench_fits_in_every_variant() {
        use zamu_bench::load::{Load, Options};
        use zamu_bench::overlay::{Host, configuration};

        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("load.toml");
        let load = Load::read(&file).unwrap();
        let mut tried = 0;
        for (name, choices) in load.variants() {
            for choice in choices {
                let variants = [(name.to_owned(), choice.to_owned())].into();
                let options =
                    Options { hot: Some(0.7), poison: Some(1_000), variants, ..Options::default() };
                let plan = load.plan(&options).unwrap();
                let address = "127.0.0.1:1234".parse().unwrap();
                let text = configuration(&plan, &Host::default(), Path::new("data"), address);
                let table: toml::Table = text.unwrap().parse().unwrap();
                let handlers = table["handlers"].as_table().unwrap();
                assert_eq!(handlers.contains_key("views"), choice == "on" || choice == "behind");
                let transfers = handlers["transfers"]["configuration"].as_table().unwrap();
                assert_eq!(transfers.contains_key("codec"), choice == "protobuf");
                // What is configured stays beside what is laid over it.
                assert!(transfers.contains_key("allowOnUs"), "{transfers:?}");
                let component = handlers["transfers"]["component"].as_str().unwrap();
                assert!(component.ends_with("transfers-faulty.wasm"), "{component}");
                tried += 1;
            }
        }
        assert_eq!(tried, 5);
    }
}
