"""HTTP as every dialect needs it."""
