//! Stores each FILE in DIR under the SHA-256 of its contents, once, and prints `digest  file`.
//!
//!     cargo run --release --example content_store -- DIR FILE...
//!
//! System calls, for each FILE: open(2) of it, and of DIR with `O_TMPFILE`; read(2) and write(2) in
//! turn; fsync(2); linkat(2) to the digest. If two processes store the same contents, one gets
//! `EEXIST`, which is as good as success.
use linkable::{OpenOptionsAnonymousExt, PublishErrorKind::AlreadyExists};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::{ffi::OsStrExt, fs::OpenOptionsExt};
use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let complain = |text: &str| drop(writeln!(io::stderr(), "content_store: {text}"));
    let args: Vec<_> = env::args_os().skip(1).collect();
    if args.len() < 2 {
        complain("usage: content_store DIR FILE...");
        return ExitCode::from(2);
    }
    let mut status = ExitCode::SUCCESS;
    for file in &args[1..] {
        if let Err(text) = store(args[0].as_ref(), file.as_ref()) {
            complain(&text);
            status = ExitCode::FAILURE;
        }
    }
    status
}

/// Hashes what it writes, so the digest is right even if the file at `path` changes meanwhile.
fn store(dir: &Path, path: &Path) -> Result<(), String> {
    let unread = |error| format!("cannot read {}: {error}", path.display());
    let unwritten = |error| format!("cannot write to {}: {error}", dir.display());
    let mut source = File::open(path).map_err(unread)?;
    let object = OpenOptions::new().mode(0o444).anonymous_in(dir);
    let mut object = object.map_err(|error| error.to_string())?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        let length = source.read(&mut buffer).map_err(unread)?;
        if length == 0 {
            break;
        }
        hash.update(&buffer[..length]);
        object.write_all(&buffer[..length]).map_err(unwritten)?;
    }
    let digest = format!("{:x}", hash.finalize());
    match object.publish(dir.join(&digest)) {
        Err(e) if e.kind() != AlreadyExists => return Err(io::Error::from(e).to_string()),
        _ => {}
    }
    let line = [digest.as_bytes(), b"  ", path.as_os_str().as_bytes(), b"\n"].concat();
    let printed = io::stdout().write_all(&line);
    printed.map_err(|error| format!("cannot print {digest}: {error}"))
}
