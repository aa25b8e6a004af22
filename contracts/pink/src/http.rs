//! HTTP as contracts see it.

use ink::prelude::{string::String, vec::Vec};
use ink::scale::Decode;

use crate::chain_extension::ErrorCode;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct HttpRequest {
    /// Where to, with `http://` or `https://`.
    pub url: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// A request with headers and a body, either of which may be empty.
    pub fn new(
        url: impl Into<String>,
        method: impl Into<String>,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Self {
        Self {
            url: url.into(),
            method: method.into(),
            headers,
            body,
        }
    }
}

/// The answer to an [`HttpRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct HttpResponse {
    /// The status. From the worker itself: 523 if the server was not reached or
    /// may not be, 524 if it failed half-way.
    pub status_code: u16,
    /// What the status means.
    pub reason_phrase: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Success with this body.
    pub fn ok(body: Vec<u8>) -> Self {
        Self {
            status_code: 200,
            reason_phrase: "OK".into(),
            headers: Vec::new(),
            body,
        }
    }

    /// Nothing at this address.
    pub fn not_found() -> Self {
        Self {
            status_code: 404,
            reason_phrase: "Not Found".into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }
}

/// Why a request of a batch has no [`HttpResponse`], or the batch no answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub enum HttpRequestError {
    /// The URL does not parse.
    InvalidUrl,
    /// There is no such method.
    InvalidMethod,
    /// A header's name has bad characters.
    InvalidHeaderName,
    /// A header's value has bad characters.
    InvalidHeaderValue,
    /// The worker could not set up the request.
    FailedToCreateClient,
    /// It took too long.
    Timeout,
    /// Not in transactions, or not to this address.
    NotAllowed,
    /// The batch is too large.
    TooManyRequests,
    /// The connection failed.
    NetworkError,
    /// The body is too large.
    ResponseTooLarge,
}

impl HttpRequestError {
    /// The error in words.
    pub fn display(&self) -> &'static str {
        match self {
            Self::InvalidUrl => "Invalid URL",
            Self::InvalidMethod => "Invalid method",
            Self::InvalidHeaderName => "Invalid header name",
            Self::InvalidHeaderValue => "Invalid header value",
            Self::FailedToCreateClient => "Failed to create client",
            Self::Timeout => "Timeout",
            Self::NotAllowed => "Not allowed",
            Self::TooManyRequests => "Too many requests",
            Self::NetworkError => "Network error",
            Self::ResponseTooLarge => "Response too large",
        }
    }
}

/// The number of the variant, counted from zero.
impl From<HttpRequestError> for u32 {
    fn from(error: HttpRequestError) -> Self {
        error as u32
    }
}

/// The worker returns the variant counted from one.
impl From<ErrorCode> for HttpRequestError {
    fn from(code: ErrorCode) -> Self {
        let variant = code.0.checked_sub(1).and_then(|n| u8::try_from(n).ok());
        variant
            .and_then(|variant| Self::decode(&mut &[variant][..]).ok())
            .unwrap_or_else(|| crate::chain_extension::invalid_output("HttpRequestError"))
    }
}

impl From<ink::scale::Error> for HttpRequestError {
    fn from(_: ink::scale::Error) -> Self {
        crate::chain_extension::invalid_output("HttpRequestError")
    }
}

/// Gets `url`, in a query. For headers, make an [`HttpRequest`].
pub fn http_get(url: impl Into<String>) -> HttpResponse {
    request("GET", url, Vec::new())
}

/// Posts `body` to `url`, in a query. For headers, make an [`HttpRequest`].
pub fn http_post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> HttpResponse {
    request("POST", url, body.into())
}

/// Puts `body` at `url`, in a query. For headers, make an [`HttpRequest`].
pub fn http_put(url: impl Into<String>, body: impl Into<Vec<u8>>) -> HttpResponse {
    request("PUT", url, body.into())
}

fn request(method: &str, url: impl Into<String>, body: Vec<u8>) -> HttpResponse {
    crate::ext().http_request(HttpRequest::new(url, method, Vec::new(), body))
}
