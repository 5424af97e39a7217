//! `completions` and `man`: shell completions and manual pages, generated from the definition of the command line.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap_complete::Shell;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "  qianmian-trainer completions bash > ~/.local/share/bash-completion/completions/qianmian-trainer"
)]
pub struct CompletionArgs {
    /// The shell.
    shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "  qianmian-trainer man --out ~/.local/share/man/man1")]
pub struct ManArgs {
    /// Folder to write one page for each command to; it is created if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Prints a completion script.
pub fn completions(args: &CompletionArgs, mut command: clap::Command) -> anyhow::Result<()> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    std::io::stdout().write_all(&script).context("cannot write to standard output")
}

/// Writes the manual pages.
pub fn man(args: &ManArgs, command: clap::Command) -> anyhow::Result<()> {
    let context = || format!("--out {}", args.out.display());
    std::fs::create_dir_all(&args.out).with_context(context)?;
    clap_mangen::generate_to(command, &args.out).with_context(context)
}
