"""What answering questions needs, and nothing that training needs: no Keras and no engine."""
