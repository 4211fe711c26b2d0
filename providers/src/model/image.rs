//! MMS images: decoded, so that what is broken is refused here and not by a carrier, and measured.

use image::{ImageFormat, ImageReader};
use std::io::Cursor;

/// Largest image of any vendor in bytes (300 KB).
pub const MAX_BYTES: usize = 300 * 1024;
/// Widest image of any vendor in pixels.
pub const MAX_WIDTH: u32 = 1500;
/// Highest image of any vendor in pixels.
pub const MAX_HEIGHT: u32 = 1440;

/// A JPEG that decodes, with its size.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    data: bytes::Bytes,
    width: u32,
    height: u32,
}

/// What is wrong with an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Another content type than `image/jpeg`.
    #[error("content_type is {0:?}: send a JPEG as \"image/jpeg\"")]
    ContentType(String),
    /// More than 300 KB.
    #[error("the file has {0} bytes, the limit is {MAX_BYTES} (300 KB): compress it")]
    TooManyBytes(usize),
    /// More than 1500×1440 pixels.
    #[error("the image is {width}×{height}, the limit is {MAX_WIDTH}×{MAX_HEIGHT}: scale it down")]
    TooLarge {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// Does not decode.
    #[error("the file is not a JPEG that decodes: save it anew as JPEG")]
    NotJpeg,
}

impl Image {
    /// Checks an image as a caller gave it. Decodes it whole, which takes milliseconds: call it off the async threads.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn decode(content_type: &str, data: bytes::Bytes) -> Result<Self, ImageError> {
        if content_type != "image/jpeg" {
            return Err(ImageError::ContentType(content_type.to_owned()));
        }
        if data.len() > MAX_BYTES {
            return Err(ImageError::TooManyBytes(data.len()));
        }
        let reader = || ImageReader::with_format(Cursor::new(&data[..]), ImageFormat::Jpeg);
        // The header first: a small file may claim a huge picture.
        let (width, height) = reader().into_dimensions().map_err(|_| ImageError::NotJpeg)?;
        if width > MAX_WIDTH || height > MAX_HEIGHT {
            return Err(ImageError::TooLarge { width, height });
        }
        reader().decode().map_err(|_| ImageError::NotJpeg)?;
        Ok(Self { data, width, height })
    }

    /// An image that was checked before, read back from storage.
    pub fn from_storage(data: bytes::Bytes, width: u32, height: u32) -> Self {
        Self { data, width, height }
    }

    /// The file.
    pub fn data(&self) -> &bytes::Bytes {
        &self.data
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }
}
