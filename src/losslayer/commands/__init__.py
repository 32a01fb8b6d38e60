"""What the commands of the applications share: how they ask and tell, and where a model goes."""
