"""The Prefect flow and all that runs around it: from the command line down to the pools of actors."""
