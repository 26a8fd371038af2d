"""People: their accounts, their roles, and what each role may do. Whatever is not granted here is refused."""
