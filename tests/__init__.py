"""Stories, tables and laws, in folders that mirror the floors of the house. `make test` runs them all."""
