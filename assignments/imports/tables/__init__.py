"""Tables of other programs (CSV, XLSX), read through a mapping of their columns to fields."""
