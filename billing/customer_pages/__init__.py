"""The page that people of an organization open by a link, without a login."""
