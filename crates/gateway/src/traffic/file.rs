//! One Parquet file: its row groups, its end.

use std::fs::{File, TryLockError};
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::pace::Pace;
use crate::durable;
use crate::table::Route;

/// Rows of a column that are written without a rest.
const AT_ONCE: usize = 128;
/// A page is packed, which takes a while, when it has about so many bytes.
const PAGE_BYTES: usize = 64 << 10;

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
    fn columns(columns: &mut Columns<'_, '_, Self>) -> Result<(), ParquetError>;
}

/// A file that is being written.
pub(super) struct ParquetFile<R> {
    path: PathBuf,
    writer: SerializedFileWriter<File>,
    rows: PhantomData<R>,
}

impl<R: Record> ParquetFile<R> {
    /// Makes `path` with `.tmp` after it, locked as long as it is written.
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        let schema = parse_message_type(R::SCHEMA).map_err(io::Error::other)?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_data_page_size_limit(PAGE_BYTES)
            .set_write_batch_size(AT_ONCE);
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
    pub(super) fn group(&mut self, rows: &[R], pace: &Pace<'_>) -> io::Result<()> {
        let group = self.writer.next_row_group().map_err(io::Error::other)?;
        let mut columns = Columns { group, rows, pace };
        R::columns(&mut columns).map_err(io::Error::other)?;
        columns.group.close().map_err(io::Error::other)?;
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

/// The columns of a row group, which are written one after the other.
pub(super) struct Columns<'g, 'f, R> {
    group: SerializedRowGroupWriter<'f, File>,
    rows: &'g [R],
    pace: &'g Pace<'g>,
}

/// A text of their routes, as a column has it: rows that have the route before them share its copy.
fn shared(text: fn(&Route) -> &str) -> impl FnMut(&Arc<Route>) -> ByteArray {
    let mut last: Option<(Arc<Route>, Bytes)> = None;
    move |route| {
        let same = last.as_ref().filter(|(known, _)| Arc::ptr_eq(known, route));
        let copy = match same {
            Some((_, copy)) => copy.clone(),
            None => {
                let copy = Bytes::copy_from_slice(text(route).as_bytes());
                last = Some((Arc::clone(route), copy.clone()));
                copy
            }
        };
        copy.into()
    }
}

/// What some rows have in a column.
struct Levels<T: DataType> {
    /// Of those that have any.
    values: Vec<T::T>,
    /// 1 where there is a value, unless there always is.
    defined: Option<Vec<i16>>,
    /// 1 where a value belongs to the row of the one before, in a column of lists.
    repeated: Option<Vec<i16>>,
}

impl<R> Columns<'_, '_, R> {
    /// Writes those that every file begins with: when, and whose.
    pub(super) fn first(
        &mut self,
        time: impl Fn(&R) -> i64,
        route: impl Fn(&R) -> &Arc<Route>,
    ) -> Result<(), ParquetError> {
        self.each::<Int64Type>(time)?;
        let texts: [fn(&Route) -> &str; 3] = [
            |route| &route.project,
            |route| &route.environment,
            |route| &route.service,
        ];
        for text in texts {
            let mut text = shared(text);
            self.each::<ByteArrayType>(|row| text(route(row)))?;
        }
        Ok(())
    }

    /// Writes one that every row has.
    pub(super) fn each<T: DataType>(
        &mut self,
        mut of: impl FnMut(&R) -> T::T,
    ) -> Result<(), ParquetError> {
        self.next::<T>(|rows| Levels {
            values: rows.iter().map(&mut of).collect(),
            defined: None,
            repeated: None,
        })
    }

    /// Writes an optional one.
    pub(super) fn optional<T: DataType>(
        &mut self,
        of: impl Fn(&R) -> Option<T::T>,
    ) -> Result<(), ParquetError> {
        self.next::<T>(|rows| {
            let all: Vec<_> = rows.iter().map(&of).collect();
            Levels {
                defined: Some(all.iter().map(|value| i16::from(value.is_some())).collect()),
                values: all.into_iter().flatten().collect(),
                repeated: None,
            }
        })
    }

    /// Writes one of lists of what is always there; `append` says which.
    pub(super) fn lists<T: DataType>(
        &mut self,
        append: impl Fn(&R, &mut Vec<T::T>),
    ) -> Result<(), ParquetError> {
        self.next::<T>(|rows| {
            let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
            for row in rows {
                let before = values.len();
                append(row, &mut values);
                // An empty one has an entry without a value.
                for at in 0..(values.len() - before).max(1) {
                    repeated.push(i16::from(at > 0));
                    defined.push(i16::from(values.len() > before));
                }
            }
            Levels {
                values,
                defined: Some(defined),
                repeated: Some(repeated),
            }
        })
    }

    fn next<T: DataType>(
        &mut self,
        mut of: impl FnMut(&[R]) -> Levels<T>,
    ) -> Result<(), ParquetError> {
        let Some(mut column) = self.group.next_column()? else {
            return Err(ParquetError::General(
                "more columns than the schema has".into(),
            ));
        };
        for rows in self.rows.chunks(AT_ONCE) {
            let Levels {
                values,
                defined,
                repeated,
            } = of(rows);
            let (defined, repeated) = (defined.as_deref(), repeated.as_deref());
            column
                .typed::<T>()
                .write_batch(&values, defined, repeated)?;
            self.pace.breathe();
        }
        column.close()?;
        self.pace.breathe();
        Ok(())
    }
}
