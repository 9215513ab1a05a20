//! From file, environment and flags to a [`checked::Config`], or to a list of problems.

pub mod checked;
