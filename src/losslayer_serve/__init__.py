"""What it takes to serve a trained matcher: neither Keras nor an engine is imported here."""
