# config: the parameters: declared once, read, checked, shown
