//! tmp
use dscript::source::Files;
use dscript::syntax::parse;
fn main() {
    let files = Files::new();
    let mut bad = 0;
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap();
        let id = files.add(&path, text);
        let file = files.get(id);
        let (_, ds) = parse(id, file.text().clone());
        if !ds.is_empty() {
            bad += 1;
        }
        for d in ds.iter() {
            let lc = d.primary().map(|l| file.line_column(l.location.span.start));
            println!(
                "{}:{} {} {} [{}] {}",
                path,
                lc.map_or(String::new(), |l| format!("{}:{}", l.line, l.column)),
                d.code,
                d.message.chars().take(600).collect::<String>(),
                d.primary().map_or("", |l| &l.message),
                d.help.as_deref().unwrap_or("")
            );
        }
    }
    println!("{bad} bad");
}
