//! What an address may look like. Whether anyone answers there is not known here.

use serde::Deserialize;

/// Longest address, in bytes.
const ADDRESS_BYTES_MAX: usize = 2_048;
/// The one variable that an address may have, written in double braces: whoever sends puts in the
/// transfer's id.
const VARIABLE: &str = "transferId";

/// The form of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A URL of HTTP or HTTPS; it may have the variable `{{transferId}}`.
    Url,
    /// An e-mail address.
    Email,
}

impl Form {
    /// Whether this is such an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(self, address: &str) -> Result<(), String> {
        if address.len() > ADDRESS_BYTES_MAX {
            return Err(format!("not longer than {ADDRESS_BYTES_MAX} bytes"));
        }
        if !address.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("visible ASCII characters without spaces".to_owned());
        }
        match self {
            Self::Url => check_url(address),
            Self::Email => check_email(address),
        }
    }
}

fn check_url(address: &str) -> Result<(), String> {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    match rest.and_then(|rest| rest.bytes().next()) {
        None | Some(b'/' | b':' | b'?' | b'#') => {
            Err("a URL with a host, as in https://fsp.example/transfers".to_owned())
        }
        Some(_) => check_variables(address),
    }
}

fn check_variables(address: &str) -> Result<(), String> {
    let variable = format!("{{{{{VARIABLE}}}}}");
    if address.replace(&variable, "").contains(['{', '}']) {
        return Err(format!("no braces but those of {variable}"));
    }
    Ok(())
}

fn check_email(address: &str) -> Result<(), String> {
    match address.split_once('@') {
        Some((name, host)) if !name.is_empty() && !host.is_empty() && !host.contains('@') => Ok(()),
        _ => Err("an e-mail address, as in desk@fsp.example".to_owned()),
    }
}
