"""Several small frames of one scene into one large picture. This file imports nothing."""
