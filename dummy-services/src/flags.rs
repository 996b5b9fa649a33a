//! The command line that both binaries share. Flags change what the script file says; the platform's own variables
//! stand in for the flags of the object store.

use std::{fs, io, path::PathBuf, str::FromStr};

use clap::Args;

use crate::{Fault, Kind, Options, S3Options, Script};

/// Flags of `dummy-services` and `dummy-kubernetes`.
#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen on; 0 takes a free one. Default: 5001 for the HTTP services, 6006 for the Spark component
    #[arg(long)]
    pub port: Option<u16>,
    /// Host of the object store; without it jobs only answer and do no work on data
    #[arg(long, env = "MINIO_HOST")]
    pub minio_host: Option<String>,
    /// Port of the object store
    #[arg(long, env = "MINIO_PORT", default_value_t = 9000)]
    pub minio_port: u16,
    /// Access key of the object store
    #[arg(long, env = "MINIO_USER", default_value = "diastema", hide_env_values = true)]
    pub minio_user: String,
    /// Secret key of the object store
    #[arg(long, env = "MINIO_PASS", default_value = "diastema", hide_env_values = true)]
    pub minio_pass: String,
    /// JSON file that says what each job does
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Jobs of a kind take at least so many milliseconds
    #[arg(long, value_name = "KIND=MS")]
    pub latency: Vec<ForKind<u64>>,
    /// Jobs of a kind give so many `progress` answers first
    #[arg(long, value_name = "KIND=N")]
    pub progress: Vec<ForKind<u32>>,
    /// Jobs of a kind fail: error, error:TEXT, http500-on-start, cut-on-start, not-json, no-status, cut-on-progress,
    /// never-finishes, black-hole, no-reply, no-success-file, half-frame
    #[arg(long, value_name = "KIND=FAULT")]
    pub fail: Vec<ForKind<Fault>>,
}

/// A value for one kind of jobs. *Shape*: `KIND=VALUE`.
#[derive(Clone, Debug, PartialEq)]
pub struct ForKind<T> {
    /// The kind.
    pub kind: Kind,
    /// Its value.
    pub value: T,
}

impl<T: FromStr> FromStr for ForKind<T>
where
    T::Err: ToString,
{
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not KIND=VALUE"))?;
        Ok(Self { kind: kind.parse()?, value: value.parse().map_err(|why: T::Err| why.to_string())? })
    }
}

/// Why the flags cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FlagsError {
    /// The script file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The script file is not a script.
    #[error("{path} is not a script: {source}")]
    Script {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
}

impl Flags {
    /// The options that the flags ask for. The port is set for both parts, since a binary starts one of them.
    ///
    /// # Errors
    /// The script file cannot be read or is not a script.
    pub fn into_options(self, default_port: u16) -> Result<Options, FlagsError> {
        let script = self.read_script()?;
        let port = self.port.unwrap_or(default_port);
        let (minio_port, user, pass) = (self.minio_port, self.minio_user, self.minio_pass);
        let s3 = self.minio_host.map(|host| S3Options { host, port: minio_port, user, pass });
        Ok(Options { host: self.host, http_port: port, spark_port: port, s3, script })
    }

    fn read_script(&self) -> Result<Script, FlagsError> {
        let mut script = match &self.script {
            Some(path) => {
                let text =
                    fs::read_to_string(path).map_err(|source| FlagsError::Read { path: path.clone(), source })?;
                serde_json::from_str(&text).map_err(|source| FlagsError::Script { path: path.clone(), source })?
            }
            None => Script::default(),
        };
        for flag in &self.latency {
            script.kind_mut(flag.kind).latency_ms = flag.value;
        }
        for flag in &self.progress {
            script.kind_mut(flag.kind).progress_answers = flag.value;
        }
        for flag in &self.fail {
            script.kind_mut(flag.kind).fault = Some(flag.value.clone());
        }
        Ok(script)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    fn options(arguments: &[&str]) -> Options {
        let line = Line::try_parse_from([&["x"], arguments].concat()).unwrap();
        line.flags.into_options(5001).unwrap()
    }

    #[test]
    fn flags_change_the_script() {
        let options = options(&[
            "--latency",
            "join=20",
            "--progress",
            "join=3",
            "--fail",
            "spark=no-reply",
            "--fail",
            "cleaning=error:bad",
        ]);
        let join = &options.script.kinds[&Kind::Join];
        assert_eq!((join.latency_ms, join.progress_answers), (20, 3));
        assert_eq!(options.script.kinds[&Kind::Spark].fault, Some(Fault::NoReply));
        assert_eq!(options.script.kinds[&Kind::Cleaning].fault, Some(Fault::Error { message: Some("bad".to_owned()) }));
        assert_eq!(options.http_port, 5001);
    }

    #[test]
    fn a_wrong_flag_says_what_is_wrong() {
        assert!("join".parse::<ForKind<u64>>().unwrap_err().contains("KIND=VALUE"));
        assert!("sink=1".parse::<ForKind<u64>>().unwrap_err().contains("data-sink"));
        assert!("join=x".parse::<ForKind<u64>>().is_err());
    }
}
