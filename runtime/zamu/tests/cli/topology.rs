//! `zamu topology`: of a node, of a configuration, as a picture.

use crate::done::zamu;
use crate::node::Node;

#[test]
fn the_topology_of_a_node_is_that_of_its_configuration() {
    let node = Node::start();
    let file = node.folder.path().join("zamu.toml");
    let file = file.to_str().unwrap();
    let running = node.ask(&["topology", "--json"]).ok().json();
    let configured = zamu(&["topology", "--config", file, "--json"]).ok().json();
    assert_eq!(running, configured);
    let text = zamu(&["topology", "--config", file]).ok().out;
    assert!(text.contains("owned by counter") && text.contains("from clients"), "{text}");
    let svg = node.folder.path().join("t.svg");
    node.ask(&["topology", "--svg", svg.to_str().unwrap()]).ok();
    assert!(std::fs::read_to_string(svg).unwrap().contains(">Increment<"));
}
