//! Python that is written.

/// A text as Python writes it, in double quotes: what it looks like is what it is, so that no character
/// of it is hidden, or does something to the line.
pub(crate) fn literal(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// A text as it stands between the double quotes of a literal, one or three of them.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            '\'' => out.push(c),
            // What Rust shows by its number cannot be seen: it is no printable character.
            _ if c.escape_debug().len() == 1 => out.push(c),
            _ => {
                let code = u32::from(c);
                out += &match code {
                    0..=0xff => format!("\\x{code:02x}"),
                    0x100..=0xffff => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                };
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_is_seen_stays_and_all_else_has_its_number() {
        assert_eq!(literal("data/größe 'x'.csv"), "\"data/größe 'x'.csv\"");
        assert_eq!(
            literal("a\"\\\n\r\t\0\u{7f}\u{85}\u{202e}\u{e000}\u{10ffff}{}"),
            "\"a\\\"\\\\\\n\\r\\t\\x00\\x7f\\x85\\u202e\\ue000\\U0010ffff{}\""
        );
        assert_eq!(literal("\u{301}"), "\"\\u0301\"");
    }

    /// Every character, at both ends of a text and within, read by Python itself.
    #[test]
    fn python_reads_what_was_meant() {
        let all: Vec<char> = (0..=0x0010_ffff).filter_map(char::from_u32).collect();
        let texts: Vec<String> = all
            .chunks(64)
            .map(|some| some.iter().collect::<String>() + "\"\"\"\\")
            .collect();
        let mut program = "import json, sys\nfor text in [\n".to_owned();
        for text in &texts {
            program += &format!("  ({}, \"\"\"{}\"\"\"),\n", literal(text), escaped(text));
        }
        program += "]:\n  assert text[0] == text[1]\n  print(json.dumps(text[0]))\n";
        let mut child = Command::new("python3")
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(program.as_bytes()));
        let said = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(said.status.success());
        let said = String::from_utf8(said.stdout).unwrap();
        let read: Vec<String> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(read == texts);
    }
}
