//! Messages, outcomes and reports in words that belong to no vendor.

mod alimtalk;
mod channel;
mod failure;
mod image;
mod message;
mod outcome;
mod phone;
mod report;
mod text;

pub use alimtalk::{ALIMTALK_CHARACTERS, Alimtalk, Button, ButtonType, Fallback, TemplateError, render};
pub use channel::{Channel, UnknownChannel};
pub use failure::{Failure, FailureCode};
pub use image::{Image, ImageError};
pub use message::{Advertisement, Mms, Purpose, Sms, TextKind};
pub use outcome::{Acceptance, CallOutcome, Fault, Refusal, SendOutcome};
pub use phone::{PhoneNumber, PhoneNumberError, Sender};
pub use report::{FallbackReport, LookUp, LookUpError, Report, ReportedStatus};
pub use text::{LMS_BYTES, SMS_BYTES, SUBJECT_BYTES, UnencodableCharacter, cp949_len, is_stray, normalize};
