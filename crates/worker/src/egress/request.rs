//! Requests and responses as contracts know them, and the checks of a request.

use super::{EgressConfig, EgressError, Policy};
use reqwest::{
    Method, StatusCode, Url,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};

/// A request of a contract.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Request {
    /// `GET` or another method.
    pub method: String,
    /// Absolute URL, `http` or `https`.
    pub url: String,
    /// Names and values. Of headers with the same name the last one counts.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The response to a request of a contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// The usual phrase for the status code; empty if there is none.
    pub reason: String,
    /// Names and values. A value that is not text is empty.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Headers that say where a message ends and what becomes of the connection. The client writes them
/// itself; a contract that could set them would confuse the next request on the same connection,
/// which may be another contract's. They are left out, as browsers do.
const OF_THE_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

impl Request {
    /// Checks the request against the limits and the addresses that are permitted.
    pub(super) fn checked(
        self,
        config: &EgressConfig,
        policy: Policy,
    ) -> Result<reqwest::Request, EgressError> {
        let method = match Method::from_bytes(self.method.as_bytes()) {
            // CONNECT turns the connection into a tunnel to somewhere else.
            Ok(Method::CONNECT) | Err(_) => return Err(EgressError::InvalidMethod),
            Ok(method) => method,
        };
        if self.url.len() > config.max_url {
            let most = config.max_url;
            return Err(EgressError::InvalidUrl(format!(
                "it has more than {most} bytes"
            )));
        }
        let url: Url = self.url.parse().map_err(|error| invalid_url(&error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EgressError::InvalidUrl(
                "it is neither http nor https".into(),
            ));
        }
        policy.check_url(&url)?;
        if self.body.len() > config.max_request_body {
            let most = config.max_request_body;
            return Err(EgressError::NotAllowed(format!(
                "the body has more than {most} bytes"
            )));
        }
        let headers = headers(&self.headers, config)?;
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(self.body.into());
        Ok(request)
    }
}

fn invalid_url(error: &impl ToString) -> EgressError {
    EgressError::InvalidUrl(error.to_string())
}

fn headers(pairs: &[(String, String)], config: &EgressConfig) -> Result<HeaderMap, EgressError> {
    let bytes: usize = pairs
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if pairs.len() > config.max_headers || bytes > config.max_header_bytes {
        return Err(EgressError::NotAllowed(format!(
            "at most {} headers with {} bytes in all",
            config.max_headers, config.max_header_bytes,
        )));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().map_err(|_| EgressError::InvalidHeaderName)?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| EgressError::InvalidHeaderValue(name.to_string()))?;
        if !OF_THE_CONNECTION.contains(&name) {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

impl Response {
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, body: Vec<u8>) -> Self {
        Self {
            status: status.as_u16(),
            reason: status.canonical_reason().unwrap_or_default().into(),
            headers: headers
                .iter()
                .map(|(name, value)| {
                    (
                        name.to_string(),
                        value.to_str().unwrap_or_default().to_owned(),
                    )
                })
                .collect(),
            body,
        }
    }
}
