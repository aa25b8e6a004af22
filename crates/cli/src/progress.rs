//! What is shown while something goes on.

use indicatif::{ProgressBar, ProgressStyle};
use std::{io::IsTerminal, time::Duration};

/// Progress: a spinner on a terminal, lines in a pipe, nothing for machines.
pub(crate) struct Progress {
    json: bool,
    spinner: Option<ProgressBar>,
    last: String,
}

impl Progress {
    pub(crate) fn new(json: bool) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let spinner = (on_terminal && !json).then(|| {
            let spinner = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
            spinner.enable_steady_tick(Duration::from_millis(80));
            spinner
        });
        Self {
            json,
            spinner,
            last: String::new(),
        }
    }

    /// Says what is being done, once.
    pub(crate) fn step(&mut self, doing: &str) {
        if self.last == doing {
            return;
        }
        doing.clone_into(&mut self.last);
        match &self.spinner {
            Some(spinner) => spinner.set_message(format!("{doing} …")),
            // A machine waits for the one document.
            None if self.json => {}
            None => eprintln!("{doing}"),
        }
    }

    /// Takes the spinner away.
    pub(crate) fn clear(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
    }
}
