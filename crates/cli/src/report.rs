//! What a command tells: the same thing for people and for programs.

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value as Json;
use std::{future::Future, process::ExitCode, time::Duration};

/// What a command tells.
#[derive(Debug)]
pub(crate) struct Report {
    /// For people: may contain colours, which are taken out if nobody could see them.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: Json,
    /// What was asked for has been carried out, but ended badly: the exit code says so.
    pub(crate) failed: bool,
}

impl Report {
    /// A report of something that went well.
    pub(crate) fn new(text: impl Into<String>, json: Json) -> Self {
        Self {
            text: text.into(),
            json,
            failed: false,
        }
    }

    /// Prints it.
    pub(crate) fn print(&self, json: bool) -> ExitCode {
        if json {
            anstream::println!("{:#}", self.json);
        } else {
            anstream::println!("{}", self.text.trim_end());
        }
        if self.failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

/// Columns with a headline.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(head.iter().map(|title| title.to_uppercase()));
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Lines of a name and what belongs to it.
pub(crate) fn lines(rows: &[(&str, String)]) -> String {
    let width = rows
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    rows.iter()
        .map(|(name, value)| format!("  {}  {value}\n", style::dim(&format!("{name:width$}"))))
        .collect()
}

/// Says what is being waited for if it takes longer than a second, and only where somebody looks.
pub(crate) async fn waiting<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
    let spinner = ProgressBar::new_spinner().with_message(what.to_string());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(120));
    let done = work.await;
    spinner.finish_and_clear();
    done
}

/// Colours with a meaning.
pub(crate) mod style {
    use anstyle::{AnsiColor, Style};

    fn paint(style: Style, text: &str) -> String {
        format!("{style}{text}{style:#}")
    }

    /// Went well.
    pub(crate) fn good(text: &str) -> String {
        paint(AnsiColor::Green.on_default().bold(), text)
    }

    /// Went badly.
    pub(crate) fn bad(text: &str) -> String {
        paint(AnsiColor::Red.on_default().bold(), text)
    }

    /// Important.
    pub(crate) fn strong(text: &str) -> String {
        paint(Style::new().bold(), text)
    }

    /// Less important.
    pub(crate) fn dim(text: &str) -> String {
        paint(Style::new().dimmed(), text)
    }
}
