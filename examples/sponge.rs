//! Soaks up standard input and puts it in the place of OUT in one step: `sort f | sponge f`.
//!
//!     cargo run --release --example sponge -- \
//!         [--no-clobber] [--durability none|contents|full] [--mode OCTAL] OUT < IN
//!
//! System calls: open(2) of the directory with `O_TMPFILE`; read(2) and write(2); fsync(2);
//! linkat(2); if OUT exists, linkat(2) to a name beside it and rename(2).
use std::fs::OpenOptions;
use std::io::{self, prelude::*, BufWriter, IsTerminal};
use std::{error::Error, os::unix::fs::OpenOptionsExt, path::Path, process::ExitCode};

use linkable::{Durability, LinkableFile, OpenOptionsAnonymousExt, PublishOptions};

fn main() -> ExitCode {
    let outcome = sponge();
    if let Err(error) = &outcome {
        let cause = error.source().map(|cause| format!(": {cause}"));
        let _ = writeln!(io::stderr(), "sponge: {error}{}", cause.unwrap_or_default());
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
    let octal = |digits: &str| u32::from_str_radix(digits, 8);
    let mode = args.opt_value_from_fn("--mode", octal)?.unwrap_or(0o666);
    let out = args.free_from_os_str(|out| Ok::<_, &str>(Path::new(out).to_owned()))?;
    match (args.finish().first(), out.exists() && !out.is_file()) {
        (None, false) => {}
        (None, true) => return Err(format!("not a file: {}", out.display()).into()),
        (Some(extra), _) => return Err(format!("unexpected: {}", extra.to_string_lossy()).into()),
    }
    let dir = Path::new(".").join(out.parent().unwrap_or(&out));
    let file = OpenOptions::new().mode(mode).anonymous_in(&dir);
    let mut file = file.map_err(|e| format!("cannot open a file in {}: {e}", dir.display()))?;
    soak_up(&mut file).map_err(|e| format!("cannot copy standard input: {e}"))?;
    let mut how = PublishOptions::new();
    how.replace(replace).durability(level.unwrap_or_default());
    how.publish(file, out)?;
    Ok(())
}

fn soak_up(file: &mut LinkableFile) -> io::Result<()> {
    const PART: u64 = 256 << 20;
    let (mut input, mut file) = (io::stdin().lock(), BufWriter::with_capacity(1 << 16, file));
    while io::copy(&mut input.by_ref().take(PART), &mut file)? == PART {
        if io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "\r{} MiB", file.stream_position()? >> 20);
        }
    }
    file.flush()
}
