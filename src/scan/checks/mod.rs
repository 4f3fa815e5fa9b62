//! Whether a candidate can be what a detector takes it for: check digits, dates, ranges that are given out.
//!
//! Pure functions over the bytes of a value with its separators still in. A check knows nothing about the text around the value:
//! how a number is written, what must not touch it and which words must stand near it is said in the detector files
//! (`policies/detectors/`), which name checks by the names of the table below. Every check refuses a value of one repeated
//! character.
//!
//! Published examples and, where the sum promises it, every single wrong digit are tested in each file.

mod crypto;
mod date;
mod imei;
mod mrz;
mod national;
mod net;
mod phone;
#[cfg(test)]
mod proof;
mod read;
mod sums;

use national::{americas, asia, balkan, baltic, east, german, isles, nordic, south, southern, us, west};

type Check = fn(&[u8]) -> bool;

/// Name in detector files, function, source in short. Sorted by name.
const CHECKS: &[(&str, Check, &str)] = &[
    ("at_svnr", german::at_svnr, "Austria: ASVG 31(4), modulo 11"),
    ("au_medicare", southern::au_medicare, "Australia: AIHW 270101, modulo 10"),
    ("au_tfn", southern::au_tfn, "Australia: ATO, TFN algorithm, modulo 11"),
    ("be_rrn", west::be_rrn, "Belgium: arrêté royal 3 avril 1984, modulo 97"),
    ("bg_egn", balkan::bg_egn, "Bulgaria: Наредба РД-02-20-9, modulo 11"),
    ("bitcoin_bech32", crypto::bitcoin_bech32, "BIP 173 and BIP 350"),
    ("br_cnpj", americas::br_cnpj, "Brazil: IN RFB 2119/2022 and 2229/2024, modulo 11 twice"),
    ("br_cpf", americas::br_cpf, "Brazil: IN RFB 1548/2015, modulo 11 twice"),
    ("ca_sin", americas::ca_sin, "Canada: SIN Code of Practice, Luhn"),
    ("ch_ahv", german::ch_ahv, "Switzerland: AHVV 133, EAN-13"),
    ("cn_resident_id", asia::cn_resident_id, "China: GB 11643-1999, ISO 7064 MOD 11-2"),
    ("cz_rodne_cislo", east::cz_rodne_cislo, "Czechia: zákon 133/2000, Slovakia: zákon 301/1995, modulo 11"),
    ("date_of_birth", date::date_of_birth, "ISO 8601-1, 5.2.2, and national orders"),
    ("de_id_card", german::de_id_card, "Germany: BSI TR-03127, weights 7-3-1"),
    ("de_steuer_id", german::de_steuer_id, "Germany: AO 139b, ISO 7064 MOD 11,10"),
    ("dk_cpr", nordic::dk_cpr, "Denmark: CPR-kontoret, date only"),
    ("ee_lt_personal_code", baltic::ee_lt_personal_code, "Estonia: EVS 585, Lithuania: registro įstatymas, modulo 11"),
    ("es_dni", south::es_dni, "Spain: Real Decreto 1553/2005, modulo 23"),
    ("es_nie", south::es_nie, "Spain: Real Decreto 557/2011, modulo 23"),
    ("ethereum_mixed_case", crypto::ethereum_mixed_case, "EIP-55, shape only"),
    ("fi_hetu", nordic::fi_hetu, "Finland: VNa 128/2010, modulo 31"),
    ("fr_nir", west::fr_nir, "France: décret 82-103, modulo 97"),
    ("gb_nhs", isles::gb_nhs, "United Kingdom: NHS Data Dictionary, modulo 11"),
    ("gb_nino", isles::gb_nino, "United Kingdom: HMRC NIM39110, prefixes"),
    ("gr_afm", south::gr_afm, "Greece: AADE, modulo 11"),
    ("gr_amka", south::gr_amka, "Greece: IDIKA, Luhn"),
    ("hk_hkid", asia::hk_hkid, "Hong Kong: Cap. 177A, modulo 11"),
    ("hr_oib", balkan::hr_oib, "Croatia: NN 60/2008, ISO 7064 MOD 11,10"),
    ("hu_adoazonosito", east::hu_adoazonosito, "Hungary: 1996. évi XX. törvény, modulo 11"),
    ("hu_taj", east::hu_taj, "Hungary: 1996. évi XX. törvény, modulo 10"),
    ("ie_pps", isles::ie_pps, "Ireland: Department of Social Protection, modulo 23"),
    ("imei", imei::imei, "3GPP TS 23.003, Luhn"),
    ("in_aadhaar", asia::in_aadhaar, "India: UIDAI, Verhoeff"),
    ("in_pan", asia::in_pan, "India: Income-tax Rules 114, shape"),
    ("ipv4_public", net::ipv4_public, "RFC 6890"),
    ("ipv6_public", net::ipv6_public, "RFC 4291, RFC 6890"),
    ("it_codice_fiscale", south::it_codice_fiscale, "Italy: DM 23 dicembre 1976, modulo 26"),
    ("jp_my_number", asia::jp_my_number, "Japan: 総務省令 85, modulo 11"),
    ("kr_rrn", asia::kr_rrn, "Korea: 주민등록법 시행규칙 2, modulo 11"),
    ("lu_matricule", west::lu_matricule, "Luxembourg: loi du 19 juin 2013, Luhn and Verhoeff"),
    ("lv_personas_kods", baltic::lv_personas_kods, "Latvia: Fizisko personu reģistra likums, modulo 11"),
    ("mac_address", net::mac_address, "IEEE 802, RFC 9542"),
    ("mrz", mrz::mrz, "ICAO Doc 9303, weights 7-3-1"),
    ("mx_curp", americas::mx_curp, "Mexico: DOF 18-10-2021, modulo 10"),
    ("nl_bsn", west::nl_bsn, "Netherlands: Besluit BSN, test of eleven"),
    ("no_fodselsnummer", nordic::no_fodselsnummer, "Norway: folkeregisterforskriften 2-2-1, modulo 11 twice"),
    ("phone_de", phone::phone_de, "Germany: Bundesnetzagentur, Nummernplan"),
    ("phone_e164", phone::phone_e164, "ITU-T E.164 and national plans"),
    ("phone_fr", phone::phone_fr, "France: ARCEP 2018-0881"),
    ("phone_gb", phone::phone_gb, "United Kingdom: Ofcom, numbering plan"),
    ("phone_nanp", phone::phone_nanp, "North America: ATIS-0300051 and ATIS-0300055"),
    ("pl_pesel", east::pl_pesel, "Poland: ustawa o ewidencji ludności 15, modulo 10"),
    ("pt_nif", south::pt_nif, "Portugal: DL 14/2013, modulo 11"),
    ("ro_cnp", east::ro_cnp, "Romania: OUG 97/2005, modulo 11"),
    ("se_personnummer", nordic::se_personnummer, "Sweden: folkbokföringslagen 18, Luhn"),
    ("sg_nric", asia::sg_nric, "Singapore: ICA, modulo 11"),
    ("si_emso", balkan::si_emso, "Slovenia: ZCRP 7, modulo 11"),
    ("tr_tckn", asia::tr_tckn, "Türkiye: 5490, 46, modulo 10 twice"),
    ("us_dea", us::us_dea, "United States: DEA Diversion Control, modulo 10"),
    ("us_ein", us::us_ein, "United States: IRS, prefixes"),
    ("us_itin", us::us_itin, "United States: IRM 3.21.263, groups"),
    ("us_npi", us::us_npi, "United States: CMS, Luhn with 80840"),
    ("za_id", southern::za_id, "South Africa: Act 68 of 1997, Luhn"),
];

/// The check that detector files call `name`.
pub(super) fn named(name: &str) -> Option<fn(&[u8]) -> bool> {
    let at = CHECKS.binary_search_by(|(known, ..)| (*known).cmp(name)).ok()?;
    CHECKS.get(at).map(|(_, check, _)| *check)
}

/// What checks are called.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|(name, ..)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_found_by_its_name() {
        assert!(CHECKS.is_sorted_by(|(left, ..), (right, ..)| left < right));
        assert!(CHECKS.iter().all(|(name, _, source)| named(name).is_some() && !source.is_empty()));
        assert!(named("").is_none() && named("bitcoin_base58").is_none() && named("imei ").is_none());
    }

    #[test]
    fn no_check_takes_placeholders_for_numbers() {
        for (name, check, _) in CHECKS {
            for length in 0..100 {
                for byte in *b"0123456789AXZax<- .\0" {
                    assert!(!check(&vec![byte; length]), "{name} {length} {}", char::from(byte));
                }
            }
        }
    }

    /// Nothing is promised about such bytes but an answer.
    #[test]
    fn any_bytes_are_answered() {
        let alphabet = b"0123456789ABXPVabc<->.:/@+() \n\xC2\xA0\xE2\x80\x87\xFF";
        let mut state = 42_u64;
        let mut next = || {
            // Knuth, MMIX.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap()
        };
        for _ in 0..5_000 {
            let length = next() % 95;
            // Half of them digits for the most part, so that sums are reached.
            let letters = if next() % 2 == 0 { 10 } else { alphabet.len() };
            let value: Vec<u8> = (0..length).map(|_| alphabet[next() % letters]).collect();
            for (_, check, _) in CHECKS {
                let _ = check(&value);
            }
        }
    }
}
