//! Messages like those that companies send: passcodes, deliveries, payments, appointments.

use std::process;

use switchboard_proto::dispatch::v1::SendSmsRequest;
use switchboard_runtime::{Clock as _, SystemClock};

/// Up to 90 bytes in CP949 with the six digits that take the place of `{}`.
const SHORT: [&str; 6] = [
    "[한빛상사] 인증번호는 {}입니다. 3분 안에 입력해 주세요.",
    "[나래물류] 상품이 오늘 18~20시에 도착합니다. 운송장 {}",
    "[가온서점] 주문 {} 결제가 완료되었습니다. 감사합니다.",
    "[푸른치과] 내일 오후 2시 예약이 있습니다. 예약번호 {}",
    "[한빛카드] 승인 {}원 일시불 11/22 14:05 가온서점",
    "[새벽배송] 문 앞에 두었습니다. 공동현관 {}",
];

/// More than that, so that it goes as an LMS.
const LONG: &str = "[나래물류] 고객님, 맡기신 물품(접수번호 {})이 물류센터에 도착했습니다.\n\n\
    배송 예정일은 내일이며, 부재 시 경비실에 보관해 드립니다. 보관 장소를 바꾸시려면 고객센터로 연락해 주세요.\n\
    고객센터 1588-1234 (평일 09:00~18:00)";

/// What is sent, for whom.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    organizations: Vec<String>,
    long_percent: u32,
    /// Sets the request ids of this run apart from those of every other.
    run: String,
}

impl Traffic {
    /// For these organisations in turn; of a hundred messages `long_percent` are long.
    pub(crate) fn new(organizations: Vec<String>, long_percent: u32) -> Self {
        let run = format!("{:x}-{:x}", process::id(), SystemClock.now().timestamp_millis());
        Self { organizations, long_percent, run }
    }

    /// The `count`-th request of a sender. No two have the same request id.
    pub(crate) fn request(&self, sender: u32, count: u32) -> SendSmsRequest {
        let chance = scatter(u64::from(sender) << 32 | u64::from(count));
        let digits = 100_000 + chance % 900_000;
        let long = chance / 900_000 % 100 < u64::from(self.long_percent);
        let text = if long { LONG } else { pick(&SHORT, chance >> 40) };
        SendSmsRequest {
            organization_id: pick(&self.organizations, chance >> 24).clone(),
            request_id: format!("{}-{sender}-{count}", self.run),
            sender: "1588-1234".to_owned(),
            to: format!("010-{:04}-{:04}", 2_000 + (chance >> 16) % 3_000, (chance >> 32) % 10_000),
            text: text.replacen("{}", &digits.to_string(), 1),
            subject: if long { "배송 안내".to_owned() } else { String::new() },
            ..SendSmsRequest::default()
        }
    }
}

fn pick<T>(from: &[T], chance: u64) -> &T {
    let length = from.len() as u64;
    #[expect(clippy::cast_possible_truncation, reason = "less than the length of a slice")]
    let index = (chance % length) as usize;
    &from[index]
}

/// The finaliser of SplitMix64: neighbours become strangers, and a run is the same every time.
fn scatter(seed: u64) -> u64 {
    let mut value = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_request_has_an_id_of_its_own_and_a_plausible_recipient() {
        let traffic = Traffic::new(vec!["a".to_owned(), "b".to_owned()], 10);
        let requests: Vec<_> = (0..8).flat_map(|sender| (0..100).map(move |count| (sender, count))).collect();
        let requests: Vec<_> = requests.into_iter().map(|(sender, count)| traffic.request(sender, count)).collect();
        let ids: HashSet<_> = requests.iter().map(|request| &request.request_id).collect();
        assert_eq!(ids.len(), requests.len());
        assert!(requests.iter().all(|request| request.request_id.len() <= 64 && request.to.len() == 13));
        let organizations: HashSet<_> = requests.iter().map(|request| request.organization_id.as_str()).collect();
        assert_eq!(organizations.len(), 2);
    }

    #[test]
    fn the_share_of_long_messages_is_as_asked() {
        let long = |percent| {
            let traffic = Traffic::new(vec!["a".to_owned()], percent);
            (0..2_000).filter(|count| !traffic.request(1, *count).subject.is_empty()).count()
        };
        assert_eq!((long(0), long(100)), (0, 2_000));
        assert!((140..260).contains(&long(10)));
    }

    #[test]
    fn short_texts_fit_an_sms_and_the_long_one_does_not() {
        // Everything in these texts that is not ASCII takes two bytes in CP949.
        let bytes =
            |text: &str| text.replace("{}", "482913").chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>();
        assert!(SHORT.iter().all(|text| bytes(text) <= 90), "{:?}", SHORT.map(bytes));
        assert!(bytes(LONG) > 90);
    }
}
