//! How a function of the product becomes a target.

use std::{env, fs, io};

/// Hands what libFuzzer makes up to `$body`. Without libFuzzer it is a program that plays the files named to it,
/// which any toolchain can build.
#[macro_export]
macro_rules! target {
    ($body:path) => {
        #[cfg(feature = "libfuzzer")]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $body(bytes));

        #[cfg(not(feature = "libfuzzer"))]
        fn main() -> std::io::Result<()> {
            $crate::play($body)
        }
    };
}

/// Gives `body` each file that the command line names.
///
/// # Errors
/// When one cannot be read.
pub fn play(body: fn(&[u8])) -> io::Result<()> {
    env::args_os().skip(1).try_for_each(|file| {
        body(&fs::read(&file)?);
        eprintln!("{}: holds", file.display());
        Ok(())
    })
}
