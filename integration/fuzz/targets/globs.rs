#![cfg_attr(feature = "libfuzzer", no_main)]

watchd_fuzz::target!(watchd::fuzz::globs);
