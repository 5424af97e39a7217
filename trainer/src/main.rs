//! `qianmian-trainer`: see [`qianmian_trainer`].

fn main() -> std::process::ExitCode {
    qianmian_trainer::commands::run()
}
