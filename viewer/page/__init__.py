"""The page that a browser loads: HTML, CSS and JavaScript modules, without any library."""
