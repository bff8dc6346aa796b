//! CRC-32C (Castagnoli): tells a frame that is whole from one that is not.
//!
//! Uses the processor's instruction where the build allows it, and a table elsewhere. Both give the
//! same numbers, which are part of the file format.

/// The checksum of `parts`, taken as one run of bytes.
pub(crate) fn crc32c(parts: &[&[u8]]) -> u32 {
    !parts.iter().fold(!0, |crc, part| update(crc, part))
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse4.2"))]
fn update(crc: u32, data: &[u8]) -> u32 {
    // SAFETY: this function exists only in builds for processors that have SSE 4.2.
    unsafe { update_by_instruction(crc, data) }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse4.2"))]
#[target_feature(enable = "sse4.2")]
fn update_by_instruction(crc: u32, data: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u64};
    let mut words = data.chunks_exact(8);
    let mut wide = u64::from(crc);
    for word in &mut words {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        wide = _mm_crc32_u64(wide, u64::from_le_bytes(bytes));
    }
    let mut crc = wide as u32;
    for byte in words.remainder() {
        crc = _mm_crc32_u8(crc, *byte);
    }
    crc
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse4.2")))]
fn update(crc: u32, data: &[u8]) -> u32 {
    update_by_table(crc, data)
}

#[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "sse4.2"))))]
fn update_by_table(crc: u32, data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    data.iter()
        .fold(crc, |crc, byte| TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8))
}

#[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "sse4.2"))))]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vectors of RFC 3720, appendix B.4.
    #[test]
    fn the_checksum_is_crc_32c() {
        assert_eq!(crc32c(&[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(crc32c(&[&[0xff; 32]]), 0x62a8_ab43);
        assert_eq!(crc32c(&[b"123456789"]), 0xe306_9283);
        assert_eq!(crc32c(&[b"1234", b"", b"56789"]), 0xe306_9283);
    }

    #[test]
    fn the_table_and_the_instruction_agree() {
        let data: Vec<u8> = (0..1_000_u32).map(|i| (i * 7 % 251) as u8).collect();
        for end in [0, 1, 7, 8, 9, 63, 1_000] {
            assert_eq!(update(!0, &data[..end]), update_by_table(!0, &data[..end]), "{end} bytes");
        }
    }
}
