"""The dashboard that `walkbench dashboard` opens. Each page is a script under views/.

The folder is not called `pages`: Streamlit would run a page in it without this script, and so
without the navigation.
"""

import streamlit as st

from dashboard.icon import icon

st.set_page_config(page_title="Walkbench", page_icon=icon(), layout="wide")

page = st.navigation(
    [
        st.Page(
            "views/pareto.py", title="Pareto front", icon=":material/scatter_plot:", default=True
        ),
        st.Page("views/walk.py", title="Design walk", icon=":material/stairs:"),
    ],
    position="top",
)
page.run()
