//! One Parquet file: its row groups, its end.

use std::fs::{File, TryLockError};
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::durable;

/// What a file has a row of.
pub(super) trait Record: Sized {
    /// What names of files begin with.
    const PREFIX: &'static str;
    /// The columns, in order.
    const SCHEMA: &'static str;
    /// Those that repeat nothing.
    const VARIED: &'static [&'static str];

    /// How long its service wants it kept; `None` is as long as the gateway keeps files.
    fn keep_seconds(&self) -> Option<u64>;

    /// About how many bytes it is.
    fn len(&self) -> usize;

    /// Makes it what may be written.
    fn prepare(&mut self);

    /// Counts it as dropped.
    fn lost(&self);

    /// Writes the columns of rows.
    fn columns(group: &mut Group<'_>, rows: &[Self]) -> Result<(), ParquetError>;
}

/// A file that is being written.
pub(super) struct ParquetFile<R> {
    path: PathBuf,
    writer: SerializedFileWriter<File>,
    rows: PhantomData<R>,
}

pub(super) type Group<'a> = SerializedRowGroupWriter<'a, File>;

impl<R: Record> ParquetFile<R> {
    /// Makes `path` with `.tmp` after it, locked as long as it is written.
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        let schema = parse_message_type(R::SCHEMA).map_err(io::Error::other)?;
        let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        for column in R::VARIED {
            properties = properties.set_column_dictionary_enabled((*column).into(), false);
        }
        let file = create_locked(&temporary(&path))?;
        let properties = Arc::new(properties.build());
        let writer = SerializedFileWriter::new(file, Arc::new(schema), properties)
            .map_err(io::Error::other)?;
        Ok(Self {
            path,
            writer,
            rows: PhantomData,
        })
    }

    /// Writes rows as one row group.
    pub(super) fn group(&mut self, rows: &[R]) -> io::Result<()> {
        let mut group = self.writer.next_row_group().map_err(io::Error::other)?;
        R::columns(&mut group, rows).map_err(io::Error::other)?;
        group.close().map_err(io::Error::other)?;
        Ok(())
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.writer.bytes_written()
    }

    /// Writes the footer and gives the file its name.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.writer.finish().map_err(io::Error::other)?;
        self.writer.inner().sync_all()?;
        std::fs::rename(temporary(&self.path), &self.path)?;
        durable::sync_parent(&self.path)
    }
}

fn create_locked(path: &Path) -> io::Result<File> {
    loop {
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.lock()?;
        // One that starts may have found it before it was locked.
        if file.metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
}

/// Removes a file unless another gateway is writing it.
pub(super) fn remove_unfinished(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    match file.try_lock() {
        Ok(()) => std::fs::remove_file(path),
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// Writes a column; `defined` is 1 where an optional one has a value, which are the only ones in `values`.
pub(super) fn column<T: DataType>(
    group: &mut Group<'_>,
    values: &[T::T],
    defined: Option<&[i16]>,
) -> Result<(), ParquetError> {
    levels::<T>(group, values, defined, None)
}

/// Writes an optional column.
pub(super) fn optional<T: DataType>(
    group: &mut Group<'_>,
    values: impl Iterator<Item = Option<T::T>> + Clone,
) -> Result<(), ParquetError> {
    let defined: Vec<i16> = values
        .clone()
        .map(|value| i16::from(value.is_some()))
        .collect();
    let values: Vec<T::T> = values.flatten().collect();
    column::<T>(group, &values, Some(&defined))
}

/// Writes a column of lists of what is always there.
pub(super) fn list<T: DataType>(
    group: &mut Group<'_>,
    lists: impl Iterator<Item = impl Iterator<Item = T::T>>,
) -> Result<(), ParquetError> {
    let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for list in lists {
        let before = values.len();
        values.extend(list);
        // An empty one has an entry without a value.
        for at in 0..(values.len() - before).max(1) {
            repeated.push(i16::from(at > 0));
            defined.push(i16::from(values.len() > before));
        }
    }
    levels::<T>(group, &values, Some(&defined), Some(&repeated))
}

fn levels<T: DataType>(
    group: &mut Group<'_>,
    values: &[T::T],
    defined: Option<&[i16]>,
    repeated: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General(
            "more columns than the schema has".into(),
        ));
    };
    column.typed::<T>().write_batch(values, defined, repeated)?;
    column.close()
}
