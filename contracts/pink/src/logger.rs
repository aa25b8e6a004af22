//! Writing to a contract's log, in queries and in transactions.

use core::fmt::Arguments;
use ink::prelude::string::ToString;

/// How much a line of the log matters. The number is what the worker stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something is odd.
    Warn = 2,
    /// What has been done.
    Info = 3,
    /// For the contract's author.
    Debug = 4,
    /// For the contract's author, step by step.
    Trace = 5,
}

/// Writes a line.
pub fn log(level: Level, message: Arguments<'_>) {
    crate::ext().log(level as u8, &message.to_string());
}

/// Writes a line at a [`Level`]: the level, then what `format!` takes.
#[macro_export]
macro_rules! log {
    ($level:expr, $($arg:tt)+) => {
        $crate::logger::log($level, ::core::format_args!($($arg)+))
    };
}

/// Writes a line at [`Level::Error`]; takes what `format!` takes.
#[macro_export]
macro_rules! error {
    ($($arg:tt)+) => { $crate::log!($crate::logger::Level::Error, $($arg)+) };
}

/// Writes a line at [`Level::Warn`]; takes what `format!` takes.
#[macro_export]
macro_rules! warn {
    ($($arg:tt)+) => { $crate::log!($crate::logger::Level::Warn, $($arg)+) };
}

/// Writes a line at [`Level::Info`]; takes what `format!` takes.
#[macro_export]
macro_rules! info {
    ($($arg:tt)+) => { $crate::log!($crate::logger::Level::Info, $($arg)+) };
}

/// Writes a line at [`Level::Debug`]; takes what `format!` takes.
#[macro_export]
macro_rules! debug {
    ($($arg:tt)+) => { $crate::log!($crate::logger::Level::Debug, $($arg)+) };
}

/// Writes a line at [`Level::Trace`]; takes what `format!` takes.
#[macro_export]
macro_rules! trace {
    ($($arg:tt)+) => { $crate::log!($crate::logger::Level::Trace, $($arg)+) };
}
