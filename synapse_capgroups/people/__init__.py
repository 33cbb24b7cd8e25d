"""People: friends, direct chats, remarks, search, and forgetting them."""
