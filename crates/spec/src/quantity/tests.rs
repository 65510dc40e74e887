//! Spellings that are read, the canonical one that is printed, and those that are refused.
