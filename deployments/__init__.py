"""What puts the flow into Prefect: its deployments, and the services that run them."""
