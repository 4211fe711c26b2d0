//! What callers see of an error: the one place that decides.

use std::time::Duration;

use switchboard_providers::model::{Failure, FailureCode};
use switchboard_runtime::error::{Problem, Reason};
use tonic::Status;

use crate::{error::Error, store::StoreError, watch::Ended};

/// When trying again may help.
const LATER: Duration = Duration::from_secs(1);

/// What a caller sees.
pub(super) fn status(error: Error) -> Status {
    let problem = Problem::new(error.reason(), error.to_string());
    let problem = match error {
        Error::NotItsOrganization(organization_id) => problem.metadata("organization_id", organization_id),
        Error::RoleRequired { role, .. } => {
            problem.metadata("roles", role).localized_ko(format!("{role} 권한이 필요합니다."))
        }
        Error::Invalid(violations) => problem.fields(violations.into_iter().map(|v| (v.field, v.description))),
        Error::CredentialsShape(shape) => {
            let korean: Vec<_> = shape.0.iter().map(|violation| violation.ko.clone()).collect();
            problem
                .fields(shape.0.into_iter().map(|violation| (format!("credentials.{}", violation.key), violation.en)))
                .localized_ko(korean.join("\n"))
        }
        Error::ProviderUnknown { provider, known } => problem
            .metadata("provider", provider)
            .localized_ko(format!("알 수 없는 업체입니다. 사용할 수 있는 업체: {known}")),
        Error::ChannelUnsupported { provider, channel } => problem
            .metadata("provider", provider.as_str())
            .metadata("channel", channel)
            .localized_ko(format!("{provider} 업체는 {channel} 채널을 지원하지 않습니다.")),
        Error::ConnectionTestFailed(failure) => problem
            .metadata("code", failure.code.as_str())
            .metadata("provider_code", failure.provider_code.as_str())
            .localized_ko(test_failed(&failure)),
        Error::ConnectionTestToken(_) => problem
            .localized_ko("연결 테스트 결과가 만료되었거나 입력한 정보와 다릅니다. 연결 테스트를 다시 실행하세요."),
        Error::Store(error) => return store_status(&error, problem),
        Error::Sealing(error) => {
            tracing::error!(%error, "credentials cannot be sealed or opened");
            Problem::new(Reason::Internal, "the stored credentials cannot be used: ask the operators of this system")
                .localized_ko("저장된 연동 정보를 사용할 수 없습니다. 시스템 관리자에게 문의하세요.")
        }
    };
    problem.into()
}

/// What a caller sees of what the store refuses; of what a driver says only that it is not available.
fn store_status(error: &StoreError, problem: Problem) -> Status {
    let problem = match error {
        StoreError::OrganizationExists { organization_id } => {
            problem.metadata("organization_id", organization_id.as_str()).localized_ko("이미 있는 기관 ID입니다.")
        }
        StoreError::OrganizationNotFound { organization_id } => {
            problem.metadata("organization_id", organization_id.as_str()).localized_ko("기관을 찾을 수 없습니다.")
        }
        StoreError::ConfigExists { provider } => problem
            .metadata("provider", provider.as_str())
            .localized_ko(format!("{provider} 연동 정보가 이미 등록되어 있습니다. 수정해 주세요.")),
        StoreError::ConfigNotFound { provider } => problem
            .metadata("provider", provider.as_str())
            .localized_ko(format!("{provider} 연동 정보가 없습니다. 먼저 등록하세요.")),
        StoreError::VersionConflict { current } => problem
            .metadata("current_version", current.to_string())
            .localized_ko("다른 사용자가 먼저 변경했습니다. 최신 정보를 다시 불러온 뒤 시도하세요."),
        StoreError::ConfirmationMismatch => {
            problem.localized_ko("입력한 기관 이름이 일치하지 않습니다. 기관 이름을 정확히 입력하세요.")
        }
        StoreError::ConfigInUse { provider, uses } => problem
            .metadata("provider", provider.as_str())
            .metadata("used_by", uses.join(","))
            .localized_ko(format!("{provider} 업체로 발송 중입니다. 먼저 다른 업체로 전환한 뒤 삭제하세요.")),
        StoreError::KeyOutdated { .. } | StoreError::KeyMissing { .. } | StoreError::Unavailable(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "the configuration store failed");
            problem.retry_after(LATER).localized_ko("설정 저장소를 사용할 수 없습니다. 잠시 후 다시 시도하세요.")
        }
        StoreError::Inconsistent(_) => {
            tracing::error!(%error, "the configuration store holds something that makes no sense");
            Problem::new(Reason::Internal, "the configuration store holds something that makes no sense")
        }
    };
    problem.into()
}

fn test_failed(failure: &Failure) -> String {
    let what = match failure.code {
        FailureCode::CredentialsRejected => {
            "업체가 인증 정보를 거부했거나 계정이 정지되었습니다. 키와 계정 상태를 확인하세요."
        }
        FailureCode::InsufficientBalance => "업체 계정의 잔액이 부족합니다.",
        FailureCode::ProviderThrottled => "업체가 요청이 너무 많다고 응답했습니다. 잠시 후 다시 시도하세요.",
        FailureCode::ProviderUnavailable => "업체에 연결할 수 없습니다. 잠시 후 다시 시도하세요.",
        FailureCode::ProviderTimeout => "업체가 제시간에 응답하지 않았습니다. 잠시 후 다시 시도하세요.",
        _ => "업체가 예상하지 못한 응답을 했습니다.",
    };
    if failure.provider_code.is_empty() {
        format!("연결 테스트에 실패했습니다. {what}")
    } else {
        format!("연결 테스트에 실패했습니다. {what} (업체 코드: {})", failure.provider_code)
    }
}

/// What a subscriber sees of the end of its stream.
pub(super) fn ended(ended: &Ended) -> Status {
    let reason = match ended {
        Ended::Lagging | Ended::Silent(..) => Reason::Overloaded,
        Ended::Misbehaved(_) | Ended::Replaced => Reason::InvalidField,
        Ended::Restarted | Ended::Gone | Ended::Draining | Ended::StoreUnavailable => Reason::ConfigUnavailable,
    };
    let problem = Problem::new(reason, ended.to_string());
    match ended {
        Ended::Misbehaved(_) => problem.into(),
        Ended::Replaced => problem.field("hello.node_id", "is used by two processes").into(),
        _ => problem.retry_after(LATER).into(),
    }
}

#[cfg(test)]
mod tests {
    use switchboard_runtime::error::reason_of;
    use tonic::Code;

    use super::*;

    #[test]
    fn a_subscriber_that_is_to_resume_is_told_so() {
        for one in [Ended::Lagging, Ended::Silent("read anything", LATER)] {
            let status = ended(&one);
            assert_eq!(status.code(), Code::ResourceExhausted);
            assert_eq!(reason_of(&status).as_deref(), Some("OVERLOADED"));
            assert!(status.message().ends_with("resume"), "{status:?}");
        }
        assert_eq!(ended(&Ended::Restarted).code(), Code::Unavailable);
    }

    #[test]
    fn what_a_driver_says_does_not_leave() {
        let error = StoreError::from(sqlx::Error::Protocol("password authentication failed for sb at 10.0.0.7".into()));
        let status = status(error.into());
        assert_eq!(status.code(), Code::Unavailable);
        assert!(!status.message().contains("10.0.0.7"), "{status:?}");
    }
}
