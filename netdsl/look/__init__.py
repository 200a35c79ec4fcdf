"""What a net has learned: views of a trained net, as arrays with captions, figures and one page."""
