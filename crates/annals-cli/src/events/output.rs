//! An export's lines, to a file that is there once it is whole.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

/// Where lines go.
pub(super) struct Output {
    sink: Sink,
    file: Option<Unfinished>,
}

enum Sink {
    Plain(BufWriter<Box<dyn Write>>),
    Packed(GzEncoder<BufWriter<Box<dyn Write>>>),
}

/// A file that stands beside the one that it is to become. It goes when it is left so: half an export, packed
/// or not, looks like a whole one.
struct Unfinished {
    file: File,
    path: PathBuf,
    becomes: PathBuf,
}

impl Output {
    /// To a file, or to standard output; with gzip or without.
    pub(super) fn to(path: Option<&Path>, gzip: bool) -> io::Result<Self> {
        let mut unfinished = None;
        let output: Box<dyn Write> = match path {
            Some(path) if is_special(path) => Box::new(File::create(path)?),
            Some(path) => {
                let file = Unfinished::beside(path)?;
                let output = file.file.try_clone()?;
                unfinished = Some(file);
                Box::new(output)
            }
            None => Box::new(io::stdout()),
        };
        let output = BufWriter::new(output);
        let sink = if gzip {
            Sink::Packed(GzEncoder::new(output, Compression::default()))
        } else {
            Sink::Plain(output)
        };
        Ok(Self {
            sink,
            file: unfinished,
        })
    }

    /// Writes what is left, and has the file be the one that was named.
    pub(super) fn finish(self) -> io::Result<()> {
        match self.sink {
            Sink::Plain(mut output) => output.flush()?,
            Sink::Packed(output) => output.finish()?.flush()?,
        }
        self.file.map_or(Ok(()), |file| file.finish())
    }
}

/// Whether it is a pipe or a device, beside which nothing can stand.
fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|there| !there.is_file())
}

impl Unfinished {
    fn beside(path: &Path) -> io::Result<Self> {
        // A link stays one, and leads to the new file.
        let becomes = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut name = becomes.clone().into_os_string();
        name.push(".part");
        let path = PathBuf::from(name);
        Ok(Self {
            file: File::create(&path)?,
            path,
            becomes,
        })
    }

    fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, &self.becomes)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After it became what it was to be, there is nothing of that name.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Sink::Plain(output) => output.write(bytes),
            Sink::Packed(output) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Plain(output) => output.flush(),
            Sink::Packed(output) => output.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_once_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("all");
        let names = || std::fs::read_dir(directory.path()).unwrap().count();
        std::fs::write(&path, "before").unwrap();
        for gzip in [false, true] {
            let mut output = Output::to(Some(&path), gzip).unwrap();
            output.write_all(b"half of it").unwrap();
            drop(output);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
            assert_eq!(names(), 1);
        }
        let mut output = Output::to(Some(&path), false).unwrap();
        output.write_all(b"all of it").unwrap();
        output.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "all of it");
        assert_eq!(names(), 1);
    }
}
