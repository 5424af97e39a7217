//! Order files in, clean lines out.
