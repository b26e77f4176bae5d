"""The set of actors on each machine of the cluster, as machines come and go. May import its parent folder's pools."""
