//! Saves what a server sends at OUT, unless Ctrl-C is pressed before the server is done.
//!
//!     cargo run -p async-example -- HOST:PORT OUT

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use async_example::save;
use linkable::PublishOptions;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::signal::ctrl_c;

fn main() -> ExitCode {
    let outcome = run();
    if let Err(error) = &outcome {
        let _ = writeln!(io::stderr(), "async-example: {error}");
    }
    ExitCode::from(u8::from(outcome.is_err()))
}

fn run() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [address, path] = &args[..] else {
        return Err("usage: async-example HOST:PORT OUT".into());
    };
    let receive = async {
        let stream = TcpStream::connect(address).await?;
        save(stream, path.into(), PublishOptions::new().replace(true)).await
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let length = runtime.block_on(async {
        tokio::select! {
            biased;
            pressed = ctrl_c() => Err(pressed.err().unwrap_or(io::ErrorKind::Interrupted.into())),
            length = receive => length,
        }
    });
    // Waits for a publish that has begun.
    drop(runtime);
    match length {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            Err(format!("cancelled: {path} is as it was, or complete").into())
        }
        length => Ok(writeln!(io::stdout(), "{} bytes", length?)?),
    }
}
