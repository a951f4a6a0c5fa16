//! Hexadecimal digits in lower case, of ids and fingerprints that each request has.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes two digits for each byte, as many as there is room for.
pub fn write(digits: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
}

/// The number that up to 32 digits stand for. `None` where one is no digit, or in upper case.
pub fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_written_as_the_library_does_and_read_back() {
        for byte in 0..=u8::MAX {
            let mut digits = [0; 2];
            write(&mut digits, &[byte]);
            assert_eq!(digits, format!("{byte:02x}").as_bytes());
            assert_eq!(number(&digits), Some(byte.into()));
        }
        assert_eq!(number(&[b'f'; 32]), Some(u128::MAX));
        for odd in [b"0A", b"g0", b" 0", b"-1"] {
            assert_eq!(number(odd), None);
        }
    }
}
