//! Arguments in, exit code out.
use clap::Parser;
#[derive(Parser)]
enum Cli { Generate(oddline_trainer::generate::Args), Train(oddline_trainer::train::Args), Test(oddline_trainer::test::Args) }
fn main() -> std::process::ExitCode {
    let r = match Cli::parse() {
        Cli::Generate(a) => oddline_trainer::generate::run(&a),
        Cli::Train(a) => oddline_trainer::train::run(&a),
        Cli::Test(a) => oddline_trainer::test::run(&a),
    };
    match r { Ok(()) => std::process::ExitCode::SUCCESS, Err(e) => { eprintln!("error: {e:#}"); oddline_trainer::error::exit_code(&e).into() } }
}
