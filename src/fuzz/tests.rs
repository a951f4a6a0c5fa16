//! Runs the targets on stable Rust: the corpus first, then changed copies of it. `FUZZ_SECONDS`
//! makes the second part longer (`make fuzz`), `FUZZ_SEED` repeats a run.

use super::{FuzzTarget, TARGETS};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Changed copies for each target, and the time that they may take, unless `FUZZ_SECONDS` is set.
const COPIES: usize = 1000;
const MOMENT: Duration = Duration::from_secs(1);

/// Pieces that mean something to one of the readers.
const PIECES: [&[u8]; 24] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b": ",
    b"..",
    b"%2e",
    b"%2F",
    b"//",
    b";",
    b"\\",
    b"\"",
    b"{}",
    b"[",
    b"]",
    b".",
    b"${SET}",
    b"${",
    b"\0",
    b"\xff",
    b"&a ",
    b"*a",
    b"\xe2\x80\xa8",
    b"Content-Length: 1\r\n",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let inputs: Vec<_> = files.iter().filter_map(|file| fs::read(file).ok()).collect();
    assert!(!inputs.is_empty() && inputs.len() == files.len(), "{folder:?}");
    inputs
}

fn run(name: &str) {
    let Some((_, target)) = TARGETS.iter().find(|(other, _)| *other == name) else {
        panic!("no target {name}");
    };
    let corpus = corpus(name);
    corpus.iter().for_each(|input| check(name, *target, input));
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("FUZZ_SECONDS");
    let seed = match (number("FUZZ_SEED"), seconds) {
        (Some(seed), _) => seed,
        (None, Some(_)) => rand::random(),
        (None, None) => 1,
    };
    println!("{name}: FUZZ_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (copies, time) = match seconds {
        Some(seconds) => (usize::MAX, Duration::from_secs(seconds)),
        None => (COPIES, MOMENT),
    };
    let start = Instant::now();
    for _ in 0..copies {
        if start.elapsed() > time {
            break;
        }
        check(name, *target, &changed(&corpus, &mut random));
    }
}

/// Keeps an input that fails, so that it can join the corpus.
fn check(name: &str, target: FuzzTarget, input: &[u8]) {
    if catch_unwind(|| target(input)).is_err() {
        let file = root().join("target/fuzz").join(format!("failed-{name}"));
        let kept = fs::create_dir_all(root().join("target/fuzz"))
            .and_then(|()| fs::write(&file, input))
            .map_or(String::new(), |()| format!("; it is kept in {}", file.display()));
        panic!("{name} fails for {:?}{kept}", input.escape_ascii().to_string());
    }
}

/// An input of the corpus with one to eight changes.
fn changed(corpus: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let mut input = corpus[random.random_range(0..corpus.len())].clone();
    for _ in 0..random.random_range(1..=8) {
        let at = random.random_range(0..=input.len());
        let end = (at + random.random_range(0..=8)).min(input.len());
        match random.random_range(0..6) {
            0 => {
                input.splice(at..end, []);
            }
            1 => {
                input.splice(at..end, [random.random::<u8>()]);
            }
            2 => {
                input.splice(at..at, PIECES[random.random_range(0..PIECES.len())].iter().copied());
            }
            3 => {
                let copied = input[at..end].to_vec();
                input.splice(at..at, copied);
            }
            4 => {
                let other = &corpus[random.random_range(0..corpus.len())];
                let from = random.random_range(0..=other.len());
                let to = (from + random.random_range(0..=32)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.random_range(0..8);
                }
            }
        }
    }
    input
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_target_runs_here_and_in_libfuzzer() {
            assert_eq!(TARGETS.map(|(name, _)| name), [$(stringify!($name)),*]);
            let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap_or_default();
            for (name, _) in TARGETS {
                let file = root().join(format!("fuzz/fuzz_targets/{name}.rs"));
                let source = fs::read_to_string(&file).unwrap_or_default();
                assert!(source.contains(&format!("introgate::fuzz::{name}(")), "{file:?}");
                assert!(manifest.contains(&format!("fuzz_targets/{name}.rs")), "{name}");
            }
        }
    };
}

targets! { plain_request response_head path json_object jws security_event configuration }
