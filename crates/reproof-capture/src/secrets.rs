//! Which files look like secrets. Only files that are not part of the commit are asked: what is
//! committed is no secret any more.

/// Why a file of this name, without its folder, looks like a secret, if it does.
///
/// `.env*`, `*.pem`, `.netrc`, `*credentials*`, OpenSSH's private keys (`id_rsa`, `id_ed25519`
/// and the like, never `*.pub`), key stores (`*.p12`, `*.pfx`), `.pgpass`, `.pypirc`; upper and
/// lower case alike. Other names that begin with `id_`, such as `id_mapping.py`, are code.
pub(crate) fn secret_name(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let ends = |ending: &str| name.len() > ending.len() && name.ends_with(ending);
    if name.starts_with(".env") {
        Some("its name begins with .env")
    } else if ends(".pem") || ends(".p12") || ends(".pfx") {
        Some("its name ends like a key's")
    } else if matches!(name.as_str(), ".netrc" | ".pgpass" | ".pypirc") {
        Some("it is a file of passwords")
    } else if name.contains("credentials") {
        Some("'credentials' stands in its name")
    } else if ssh_key(&name) {
        Some("it is named like a private key of SSH")
    } else {
        None
    }
}

fn ssh_key(name: &str) -> bool {
    let kinds = ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_xmss"];
    kinds.iter().any(|kind| name.starts_with(kind)) && name.rsplit('.').next() != Some("pub")
}

/// Why these bytes look like a secret, if they do: the header of a private key in PEM or PGP
/// armour, or the ID of an AWS access key.
pub(crate) fn secret_bytes(bytes: &[u8]) -> Option<&'static str> {
    let mut at = 0;
    while let Some(found) = bytes[at..]
        .iter()
        .position(|byte| matches!(byte, b'-' | b'A'))
    {
        at += found;
        let rest = &bytes[at..];
        if private_key(rest) {
            return Some("a private key stands in it");
        }
        let begins_word = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        if begins_word && aws_key(rest) {
            return Some("an AWS access key stands in it");
        }
        at += 1;
    }
    None
}

/// `-----BEGIN … PRIVATE KEY-----`, where the dots are words in capitals.
fn private_key(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"-----BEGIN ") else {
        return false;
    };
    let line = &rest[..rest.len().min(80)];
    let label = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    let end = line
        .iter()
        .position(|byte| !label(byte))
        .unwrap_or(line.len());
    let (label, dashes) = line.split_at(end);
    dashes.starts_with(b"-----")
        && (label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK"))
}

/// `AKIA` and 16 capitals or digits, and then the end of the word.
fn aws_key(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"AKIA") else {
        return false;
    };
    let capital = |byte: &&u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    rest.iter().take_while(capital).count() == 16
        && !rest.get(16).is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for secret in [
            ".env",
            ".env.local",
            ".envrc",
            "server.PEM",
            "id_rsa",
            "id_ed25519",
            "id_ed25519_sk",
            "id_rsa.bak",
            ".netrc",
            "aws_credentials",
            "Credentials.json",
            ".git-credentials",
            "keys.p12",
        ] {
            assert!(secret_name(secret).is_some(), "{secret}");
        }
        for code in [
            "env.py",
            "environment.yaml",
            "pem.py",
            ".pem",
            "id_rsa.pub",
            "id_mapping.py",
            "id",
        ] {
            assert!(secret_name(code).is_none(), "{code}");
        }
    }

    fn pem(label: &str) -> Vec<u8> {
        format!("x = 1\n-----BEGIN {label}-----\nMIIE\n").into_bytes()
    }

    #[test]
    fn keys_inside() {
        for label in [
            "PRIVATE KEY",
            "RSA PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "PGP PRIVATE KEY BLOCK",
        ] {
            assert!(secret_bytes(&pem(label)).is_some(), "{label}");
        }
        for label in ["CERTIFICATE", "PUBLIC KEY", "… PRIVATE KEY", ""] {
            assert!(secret_bytes(&pem(label)).is_none(), "{label}");
        }
        let id = ["AKIA", "ABCDEFGHIJ234567"].concat();
        for text in [id.clone(), format!("key='{id}'"), format!("-{id}\n")] {
            assert!(secret_bytes(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            format!("X{id}"),
            format!("{id}8"),
            format!("{id}a"),
            id[..19].to_owned(),
        ] {
            assert!(secret_bytes(text.as_bytes()).is_none(), "{text}");
        }
        for short in [
            "",
            "-",
            "A",
            "AKIA",
            "-----BEGIN ",
            "-----BEGIN PRIVATE KEY",
        ] {
            assert!(secret_bytes(short.as_bytes()).is_none(), "{short}");
        }
    }
}
