"""Inputs of one recording, or of several tracks: what manifests name, what the ledger knows, what headers say."""
