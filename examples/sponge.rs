//! Soaks up standard input and puts it in the place of OUT in one step: `sort f | sponge f`.
//!
//!     sponge [--no-clobber] [--durability none|contents|full] [--mode OCTAL] OUT < IN
//!
//! System calls: open(2) of the directory with `O_TMPFILE`; read(2), write(2); fsync(2); linkat(2);
//! if OUT exists, linkat(2) beside it and rename(2); with `full`, fsync(2) of the directory.
use std::fs::OpenOptions;
use std::io::{self, prelude::*, BufWriter, IsTerminal};
use std::{error::Error, os::unix::fs::OpenOptionsExt, path::Path, process::ExitCode};

use linkable::{Durability, LinkableFile, OpenOptionsAnonymousExt, PublishOptions};

fn main() -> ExitCode {
    let outcome = sponge();
    if let Err(error) = &outcome {
        let _ = writeln!(io::stderr(), "sponge: {error}");
    }
    ExitCode::from(u8::from(outcome.is_err()))
}

fn sponge() -> Result<(), Box<dyn Error>> {
    let mut args = pico_args::Arguments::from_env();
    let replace = !args.contains("--no-clobber");
    let level = args.opt_value_from_fn("--durability", |level| match level {
        "none" => Ok(Durability::None),
        "contents" => Ok(Durability::Contents),
        "full" => Ok(Durability::Full),
        _ => Err("it is none, contents or full"),
    })?;
    let mode = args.opt_value_from_fn("--mode", |octal| u32::from_str_radix(octal, 8))?;
    let rest = args.finish();
    let out = match &rest[..] {
        [out] if Path::new(out).exists() && !Path::new(out).is_file() => {
            return Err(format!("not a file: {}", out.to_string_lossy()).into())
        }
        [out] if !out.to_string_lossy().starts_with('-') => Path::new(out),
        _ => return Err("usage: sponge [OPTIONS] OUT < IN".into()),
    };
    let dir = Path::new(".").join(out.parent().unwrap_or(out));
    let mut options = OpenOptions::new();
    let mut file = options.mode(mode.unwrap_or(0o666)).anonymous_in(&dir)?;
    soak_up(&mut file).map_err(|e| format!("cannot copy standard input: {e}"))?;
    let mut how = PublishOptions::new();
    how.replace(replace).durability(level.unwrap_or_default());
    // An io::Error prints its cause, too.
    how.publish(file, out).map_err(io::Error::from)?;
    Ok(())
}

fn soak_up(file: &mut LinkableFile) -> io::Result<()> {
    let (mut input, mut file) = (io::stdin().lock(), BufWriter::with_capacity(1 << 16, file));
    while io::copy(&mut input.by_ref().take(256 << 20), &mut file)? == 256 << 20 {
        if io::stderr().is_terminal() {
            let _ = writeln!(io::stderr(), "{} MiB", file.stream_position()? >> 20);
        }
    }
    file.flush()
}
