//! What the targets share: seeds, mutations and the loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

/// A small generator of random numbers (xorshift64*): the same seed gives the same run.
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `limit`, or 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.next() >> 16) as usize % limit }
    }
}

const PIECES: &[&str] = &[
    "(", ")", "[", "]", "{", "}", "<", ">", ">>", "=>", "=", ";", ",", ":", "?", ".", "...", "`", "${", "\"", "'", "/", "/*", "*/",
    "//", "\n", "\r\n", " ", "\\", "@@", "@", "+", "++", "-", "*", "**", "|", "&", "&&", "!", "===", "const ", "let ", "function ",
    "interface ", "type ", "namespace ", "export ", "import ", "from ", "as ", "of ", "is ", "in ", "if ", "else ", "for ", "switch ",
    "case ", "default", "class ", "enum ", "return ", "typeof ", "new ", "async ", "readonly ", "get ", "a", "T", "1", "0x", "1.5",
    "\u{201C}", "\u{201D}", "\u{2018}", "é", "\0", "\u{FEFF}", "p`", "f(", "<T>", "(a) => ", "a ? b : ", "{a: 1}", "extends ",
];

/// Runs `check` on mutated programs until the time is over; the message of a failed check ends the run.
pub fn run(target: &str, check: impl Fn(&str) -> Result<(), String>) {
    let mut args = env::args().skip(1);
    let seconds: u64 = args.next().and_then(|text| text.parse().ok()).unwrap_or(60);
    let seed: u64 = args.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut folders: Vec<PathBuf> = args.map(PathBuf::from).collect();
    if folders.is_empty() {
        folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases"));
    }
    let mut seeds = Vec::new();
    for folder in folders {
        collect(&folder, &mut seeds);
    }
    if seeds.is_empty() {
        eprintln!("no programs found to start from");
        std::process::exit(2);
    }
    seeds.sort();
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let started = Instant::now();
    let mut runs = 0_u64;
    std::panic::set_hook(Box::new(|_| {}));
    while started.elapsed() < Duration::from_secs(seconds) {
        let text = mutate(&seeds, &mut random);
        let result = catch_unwind(AssertUnwindSafe(|| check(&text))).unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<String>().cloned();
            let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("panic: {}", message.unwrap_or_default()))
        });
        runs += 1;
        if let Err(message) = result {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
            let path = folder.join(format!("{target}-{seed}-{runs}.dsc"));
            let _ = fs::create_dir_all(&folder);
            let _ = fs::write(&path, &text);
            eprintln!("{message}\nwritten to {}", path.display());
            std::process::exit(1);
        }
    }
    println!("{target}: {runs} programs in {seconds} s, no finding");
}

fn collect(folder: &Path, seeds: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, seeds);
        } else if path.extension().is_some_and(|found| found == "dsc")
            && let Ok(text) = fs::read_to_string(&path)
        {
            seeds.push(text);
        }
    }
}

fn mutate(seeds: &[String], random: &mut Random) -> String {
    let seed = &seeds[random.below(seeds.len())];
    // A few lines are enough, and quick.
    let mut text = window(seed, random, 800);
    for _ in 0..random.below(6) {
        let at = boundary(&text, random.below(text.len() + 1));
        match random.below(5) {
            0 => text.insert_str(at, PIECES[random.below(PIECES.len())]),
            1 => {
                let end = boundary(&text, (at + 1 + random.below(12)).min(text.len()));
                text.replace_range(at..end.max(at), "");
            }
            2 => {
                let end = boundary(&text, (at + random.below(60)).min(text.len()));
                let copy = text[at..end.max(at)].to_owned();
                let to = boundary(&text, random.below(text.len() + 1));
                text.insert_str(to, &copy);
            }
            3 => {
                let other = window(&seeds[random.below(seeds.len())], random, 80);
                text.insert_str(at, &other);
            }
            _ => {
                let end = boundary(&text, (at + 1).min(text.len()));
                text.replace_range(at..end.max(at), PIECES[random.below(PIECES.len())]);
            }
        }
    }
    text
}

fn window(seed: &str, random: &mut Random, length: usize) -> String {
    let start = boundary(seed, random.below(seed.len().saturating_sub(length / 2) + 1));
    let end = boundary(seed, (start + length).min(seed.len()));
    seed[start..end.max(start)].to_owned()
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
